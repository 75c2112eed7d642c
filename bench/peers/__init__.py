"""Other people's engines beside this one, in one run; each does what it is made for, and the table says what."""
