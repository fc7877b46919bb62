"""The registration demo: a person registers on a web page, and the welcome mail goes out afterwards, whatever happens.

`app.py` and `welcome.py` are what a user of Afterwards writes, with the public names only. The rest is the scenery: the
pages, a mail server that can be told to refuse, and a process that kills the app and starts it again.
"""
