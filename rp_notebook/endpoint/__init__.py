"""RunPod's side, emulated: a queue of jobs and the routes over it."""
