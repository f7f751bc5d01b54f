// clipkit_free_blocks gives what is free, large or small, back to the system.
void clipkit_free_blocks(void);
