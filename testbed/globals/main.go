// Command globals holds its maps in fields of global variables, and waits for the end of its stdin.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sync"
)

type inner struct {
	count int
	m     map[string]int
}

type registry struct {
	mu     sync.Mutex
	name   string
	byName map[string]*inner
	in     inner
	shards [3]inner
}

var (
	table  registry
	tables [2]registry
	plain  = map[string]bool{}
	named  struct {
		sync.RWMutex
		items map[int]string
	}
)

func main() {
	table.byName = map[string]*inner{}
	table.in.m = map[string]int{}
	table.shards[2].m = map[string]int{}
	tables[1].in.m = map[string]int{}
	named.items = map[int]string{}
	for i := 0; i < 100; i++ {
		key := fmt.Sprint(i)
		table.byName[key] = &inner{}
		table.in.m[key], table.shards[2].m[key], tables[1].in.m[key] = i, i, i
		named.items[i], plain[key] = key, true
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Println(len(table.byName), len(table.in.m), len(table.shards[2].m), len(tables[1].in.m), len(named.items), len(plain))
}
