"""What people see: the map, the report and the files of a finished study."""
