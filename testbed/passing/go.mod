module demo.ghostkey.dev/passing

go 1.19
