"""What is on its way: deliveries to sinks, and what a stream brought."""
