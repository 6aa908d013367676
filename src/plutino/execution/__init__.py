"""What a compiled rule is made of: programs, window contents, accumulators, and the kernels that generated code calls.

No I/O, no clock, no task: time is an argument.
"""
