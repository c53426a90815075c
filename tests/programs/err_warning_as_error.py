# A warning turned into an exception.
# raises: DeprecationWarning
import warnings

warnings.simplefilter("error")
warnings.warn("use new() instead", DeprecationWarning)
