"""What measures: starts servers and the processes of a system, and reads from outside what became of its tasks."""
