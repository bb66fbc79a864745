"""What moves a mean score: two models on one population, two years of one population."""
