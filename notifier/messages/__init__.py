"""From facts to a message ready to leave: templates, languages, segments, e-mail, calendar files. Pure."""
