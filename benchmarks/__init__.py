"""What we measure, against whom: each script runs ours and the peer in turn and prints ratios."""
