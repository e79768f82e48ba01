"""The live path: messages are checked, scored and recorded as they come; windows close into the batch path."""
