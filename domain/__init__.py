"""What a technology partnership is: facts, stages, guards, decisions. Pure: no input, output, clock or chance."""
