"""C and linker script that carry the controller on an emulated Cortex-M board; data files of the package."""
