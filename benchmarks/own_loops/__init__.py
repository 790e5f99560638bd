"""The loops a user writes by hand to time a step, a file a framework; they owe Levelfield the network and its input."""
