"""The compiled core. Imports nothing of cxcore but itself; the law of this folder is README.md."""
