module demo.ghostkey.dev/maps

go 1.19
