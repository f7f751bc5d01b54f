// SIMULATED: a library without functions, for names that a provider wants to load.
