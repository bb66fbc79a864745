"""Total-cost-of-care benchmarks: programs as cited data, every number traceable to its rule."""
