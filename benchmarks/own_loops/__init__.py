"""Loops as users write them to time a step, a file for each framework. Only network and input are Levelfield's."""
