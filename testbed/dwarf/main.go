// Command dwarf prints where the fields of some structs lie in a Go program that has debug information: `struct field offset`.
package main

import (
	"debug/buildinfo"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"strings"
)

var wanted = map[string]bool{"runtime.moduledata": true, "runtime.mheap": true, "runtime.mspan": true, "runtime.g": true}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "dwarf:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Println("go", "minor", strings.Split(info.GoVersion, ".")[1])
	file, err := elf.Open(path)
	if err != nil {
		return err
	}
	data, err := file.DWARF()
	if err != nil {
		return err
	}
	for reader := data.Reader(); ; {
		entry, err := reader.Next()
		if err != nil || entry == nil {
			return err
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		if entry.Tag != dwarf.TagStructType || !wanted[name] {
			continue
		}
		kind, err := data.Type(entry.Offset)
		if err != nil {
			return err
		}
		fmt.Println(name, "size", kind.Size())
		for _, field := range kind.(*dwarf.StructType).Field {
			fmt.Println(name, field.Name, field.ByteOffset)
		}
	}
}
