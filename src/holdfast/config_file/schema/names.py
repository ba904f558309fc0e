"""The kinds of name in the configuration file."""

from holdfast.config_file.kinds import Text

ID = Text("id", r"[^\s/]+", "a name without spaces and slashes")
MODEL = Text("model name", r"\S+", "a name without spaces")
PATH = Text("path", longest=4096)
WORD = Text()
