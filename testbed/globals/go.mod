module demo.ghostkey.dev/globals

go 1.19
