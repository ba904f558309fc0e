"""Answers in the form that a caller asked for: JSON that fits a schema, or XML.

A deployment is asked in the firmest way it has (`asking`, `rewriting`), what comes is
read out of whatever stands around it (`json_text`, `xml_text`) and checked
(`checker`), and where it does not fit the model is told what is wrong and asked
again. `docs/structured-output.md` says what a caller may rely on.
"""
