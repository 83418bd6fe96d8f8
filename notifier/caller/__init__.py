"""What the help desk can say to a caller: the answers of `explain` as sentences, in English and Indonesian."""
