"""The systems that are measured, a file for each. They run in environments of their own and know nothing of ours."""
