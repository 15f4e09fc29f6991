module demo.ghostkey.dev/dwarf

go 1.19
