import atexit
import gc

# At its end Python looks through everything that was ever loaded for garbage, a quarter of a short command's time, for
# memory that is given back a moment later anyway. What is frozen is not looked at.
atexit.register(gc.freeze)
