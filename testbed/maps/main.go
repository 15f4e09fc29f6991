// Command maps knows how long each of its maps is: it prints their addresses and lengths, and waits for orders on stdin.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"
)

type point struct{ x, y int }
type big struct{ x [40]int }
type object struct {
	Name string
	n    int
}
type uid string
type namespacedName struct{ Namespace, Name string }
type request struct{ namespacedName }

type memStore struct {
	mu    sync.RWMutex
	items map[string]*object
	extra map[int32]string
}
type store interface{ Len() int }

func (m *memStore) Len() int { return len(m.items) }

type manager struct {
	id    int
	name  string
	pad   [3]int
	store store
}
type reconciler struct {
	name    string
	seen    map[namespacedName]string
	pending map[request]time.Time
	byUID   map[uid]struct{}
}
type closureHolder struct{ f func(string) *point }

var (
	globalDeleted = map[string]string{}
	globalManager *manager
	globalSmall   = map[string]int{"a": 1, "b": 2, "c": 3}
	globalEmpty   = map[string]int{}
	globalHash    = map[[16]byte]*point{}
	globalNoPtr   = map[int64]int64{}
	globalBig     = map[int]big{}
	globalCleared = map[string]*point{}
	globalMixed   = map[interface{}]interface{}{}
	globalNested  = map[string]map[string]int{}
	globalBool    = map[bool]string{true: "yes", false: "no"}
	globalFloat   = map[float64]string{1.5: "a", -2: "b"}
	controllers   []*reconciler
	synced        sync.Map
	closure       *closureHolder
	hold          []interface{}
	truth         []fact
)

type fact struct {
	Name    string `json:"name"`
	Address uint64 `json:"address"`
	Len     int    `json:"len"`
}

func told(name string, address unsafe.Pointer, length int) {
	truth = append(truth, fact{name, uint64(*(*uintptr)(address)), length})
}

//go:noinline
func makeClosure(n int) *closureHolder {
	m := map[string]*point{}
	for i := 0; i < n; i++ {
		m["c"+strconv.Itoa(i)] = &point{i, i}
	}
	told("closure", unsafe.Pointer(&m), len(m))
	return &closureHolder{f: func(s string) *point { return m[s] }}
}

//go:noinline
func onStack(n int, ready chan int, stop chan bool) int {
	m := map[string]*point{}
	for i := 0; i < n; i++ {
		m["s"+strconv.Itoa(i)] = &point{i, i}
	}
	ready <- len(m)
	<-stop
	return len(m)
}

//go:noinline
func smallOnStack(ready chan int, stop chan bool) int {
	m := map[int]int{7: 1, 8: 2, 9: 3}
	ready <- len(m)
	<-stop
	return m[7]
}

type journal struct {
	name    string
	written map[int64]int16
}

// heldTwice has a word on its stack that points to a map, and on the same stack an object that holds the map in a field.
//
//go:noinline
func heldTwice(ready chan int, stop chan bool) int {
	queue := make(chan interface{}, 1)
	queue <- &journal{"j", map[int64]int16{}}
	held := [2]interface{}{<-queue}
	m := held[len(queue)].(*journal).written
	for i := 0; i < 700; i++ {
		m[int64(i)] = 1
	}
	told("written", unsafe.Pointer(&m), len(m))
	ready <- len(m)
	<-stop
	runtime.KeepAlive(held[len(queue)])
	return len(m)
}

func fill(scale int) {
	for i := 0; i < 10000*scale; i++ {
		globalDeleted["key-"+strconv.Itoa(i)] = "v" + strconv.Itoa(i)
	}
	for i := 0; i < 8000*scale; i++ {
		delete(globalDeleted, "key-"+strconv.Itoa(i))
	}
	st := &memStore{items: map[string]*object{}, extra: map[int32]string{}}
	for i := 0; i < 5000*scale; i++ {
		st.items["ns/obj-"+strconv.Itoa(i)] = &object{strconv.Itoa(i), i}
	}
	for i := 0; i < 300; i++ {
		st.extra[int32(i)] = "x"
	}
	globalManager = &manager{id: 1, name: "mgr", store: st}
	for i := 0; i < 10000; i++ {
		var k [16]byte
		k[0], k[1], k[2] = byte(i), byte(i>>8), byte(i>>16)
		globalHash[k] = &point{i, i}
	}
	for i := 0; i < 15000; i++ {
		globalNoPtr[int64(i)] = int64(i)
	}
	for i := 0; i < 10000; i++ {
		delete(globalNoPtr, int64(i))
	}
	for i := 0; i < 1000; i++ {
		globalBig[i] = big{}
	}
	for i := 0; i < 10000; i++ {
		globalCleared[strconv.Itoa(i)] = &point{i, i}
	}
	for k := range globalCleared {
		delete(globalCleared, k)
	}
	r := &reconciler{"tenant", map[namespacedName]string{}, map[request]time.Time{}, map[uid]struct{}{}}
	for i := 0; i < 700; i++ {
		name := namespacedName{"ns-" + strconv.Itoa(i%10), "pod-" + strconv.Itoa(i)}
		r.seen[name] = "seen"
		globalMixed[i], globalMixed[strconv.Itoa(i)] = "x", i
		if i < 5 {
			r.pending[request{name}] = time.Now()
		}
		r.byUID[uid(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))] = struct{}{}
	}
	controllers = append(controllers, r)
	for i := 0; i < 1000; i++ {
		in := map[string]int{}
		for j := 0; j < i%20; j++ {
			in["k"+strconv.Itoa(j)] = j
		}
		globalNested["n"+strconv.Itoa(i)] = in
		told("nested", unsafe.Pointer(&in), len(in))
	}
	for i := 0; i < 300; i++ {
		synced.Store("s"+strconv.Itoa(i), i)
	}
	closure = makeClosure(4000)
	told("items", unsafe.Pointer(&st.items), len(st.items))
	told("extra", unsafe.Pointer(&st.extra), len(st.extra))
	told("seen", unsafe.Pointer(&r.seen), len(r.seen))
	told("pending", unsafe.Pointer(&r.pending), len(r.pending))
	told("byUID", unsafe.Pointer(&r.byUID), len(r.byUID))
	told("globalDeleted", unsafe.Pointer(&globalDeleted), len(globalDeleted))
	told("globalSmall", unsafe.Pointer(&globalSmall), len(globalSmall))
	told("globalEmpty", unsafe.Pointer(&globalEmpty), len(globalEmpty))
	told("globalHash", unsafe.Pointer(&globalHash), len(globalHash))
	told("globalNoPtr", unsafe.Pointer(&globalNoPtr), len(globalNoPtr))
	told("globalBig", unsafe.Pointer(&globalBig), len(globalBig))
	told("globalCleared", unsafe.Pointer(&globalCleared), len(globalCleared))
	told("globalMixed", unsafe.Pointer(&globalMixed), len(globalMixed))
	told("globalNested", unsafe.Pointer(&globalNested), len(globalNested))
	told("globalBool", unsafe.Pointer(&globalBool), len(globalBool))
	told("globalFloat", unsafe.Pointer(&globalFloat), len(globalFloat))
}

func main() {
	runtime.MemProfileRate = 4096
	scale := 1
	if len(os.Args) > 1 {
		scale, _ = strconv.Atoi(os.Args[1])
	}
	fill(scale)
	ready, stop := make(chan int), make(chan bool)
	go onStack(3000, ready, stop)
	stack := []int{<-ready}
	go smallOnStack(ready, stop)
	stack = append(stack, <-ready)
	go heldTwice(ready, stop)
	<-ready
	runtime.GC()
	runtime.GC()
	said, _ := json.Marshal(map[string]interface{}{"go": runtime.Version(), "sync": 300, "stack": stack, "maps": truth})
	fmt.Println(string(said))
	obey(controllers[0])
	close(stop)
}

var mu sync.Mutex

// obey does what each line says: `insert N`, `delete N`, `clear`, `churn`, `beat RATE SECONDS`, `profile heap|goroutine FILE`.
func obey(r *reconciler) {
	next := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		n := 0
		if len(words) > 1 {
			n, _ = strconv.Atoi(words[1])
		}
		switch words[0] {
		case "insert":
			for i := 0; i < n; i++ {
				remember(r, next)
				next++
			}
		case "delete":
			for i := 0; i < n; i++ {
				forget(r, next-1-i)
			}
		case "clear":
			for k := range r.seen {
				delete(r.seen, k)
			}
		case "profile":
			profile(words[1], words[2])
		case "churn":
			for g := 0; g < 2; g++ {
				go churn()
			}
		case "beat":
			seconds, _ := strconv.Atoi(words[2])
			next = beat(r, next, n, seconds)
		}
		fmt.Println(len(r.seen))
	}
}

// beat inserts at a rate, and deletes one in ten, for some seconds.
func beat(r *reconciler, next, rate, seconds int) int {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for i := 0; i < rate*seconds; i++ {
		<-ticker.C
		remember(r, next)
		if next%10 == 9 {
			forget(r, next-5)
		}
		next++
	}
	return next
}

//go:noinline
func remember(r *reconciler, i int) {
	mu.Lock()
	r.seen[namespacedName{"new", strconv.Itoa(i)}] = "s"
	mu.Unlock()
}

//go:noinline
func forget(r *reconciler, i int) {
	mu.Lock()
	delete(r.seen, namespacedName{"new", strconv.Itoa(i)})
	mu.Unlock()
}

// profile writes one as net/http/pprof would, the heap's after a collection.
func profile(name, path string) {
	runtime.GC()
	file, err := os.Create(path)
	if err == nil {
		err = pprof.Lookup(name).WriteTo(file, 0)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "maps:", err)
		os.Exit(1)
	}
}

func churn() {
	m := map[string]*point{}
	mu.Lock()
	hold = append(hold, m)
	mu.Unlock()
	for i := 0; ; i++ {
		m[strconv.Itoa(i)] = &point{i, i}
		if i > 40000 {
			delete(m, strconv.Itoa(i-40000))
		}
		if i%4096 == 0 && i > 2000000 {
			i = 0
			for k := range m {
				delete(m, k)
			}
		}
	}
}
