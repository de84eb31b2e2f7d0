"""The commands of the terminal, one file each. They print for people; everything else lives below."""
