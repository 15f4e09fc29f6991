module demo.ghostkey.dev/lab

go 1.19
