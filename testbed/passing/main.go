// Command passing has maps that outlive no call, each of a length of its own, beside two that something holds; it waits for the end of its stdin.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"sync"
	"unsafe"
)

type scratch struct {
	buffer []byte
	data   map[string]any
}

type keeper struct {
	name string
	kept map[string]any
	pool sync.Pool
}

// counters are numbers beside a pointer, as the runtime's own are: one of them happens to look like where a map is.
type counters struct {
	next *keeper
	word uintptr
}

var (
	seen   counters
	pool   = sync.Pool{New: func() any { return &scratch{} }}
	holder *keeper
)

func made(length int) map[string]any {
	found := map[string]any{}
	for i := 0; i < length; i++ {
		found[fmt.Sprintf("prod.tenant-%d", i)] = i
	}
	return found
}

//go:noinline
func pooled(length int) {
	taken := pool.Get().(*scratch)
	taken.data = made(length)
	pool.Put(taken)
}

//go:noinline
func held(kept, pooled int) {
	holder = &keeper{name: "holder", kept: made(kept)}
	holder.pool.Put(&scratch{data: made(pooled)})
	holder.pool.Put(&scratch{data: holder.kept})
}

//go:noinline
func iterated(length int, ready, done chan bool) {
	walk := reflect.ValueOf(made(length)).MapRange()
	walk.Next()
	ready <- true
	<-done
	fmt.Println(walk.Next())
}

//go:noinline
func nested(length int, ready, done chan bool) {
	document := []any{map[string]any{"data": made(length)}}
	ready <- true
	<-done
	fmt.Println(document)
}

//go:noinline
func served(length int, ready, done chan bool) {
	own := &keeper{name: "own", kept: made(length)}
	ready <- true
	<-done
	fmt.Println(own)
}

//go:noinline
func counted(length int, ready, done chan bool) {
	local := made(length)
	seen.word = *(*uintptr)(unsafe.Pointer(&local))
	ready <- true
	<-done
	fmt.Println(len(local))
}

func main() {
	ready, done := make(chan bool), make(chan bool)
	held(101, 102)
	pooled(103)
	go iterated(104, ready, done)
	go nested(105, ready, done)
	go served(106, ready, done)
	go counted(107, ready, done)
	for i := 0; i < 4; i++ {
		<-ready
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	close(done)
	seen.next = holder
	fmt.Println(len(holder.kept), seen.word, pool.Get(), holder.pool.Get())
}
