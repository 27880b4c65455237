"""How close steelcli comes to what the machine can do; `make bench`."""
