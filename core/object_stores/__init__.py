"""The services that store objects, a module each, behind one protocol; `core.objects` is how the others use them."""
