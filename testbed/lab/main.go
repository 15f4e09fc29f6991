// Command lab does to maps what people say of them, a step for each line on stdin, and prints what it measured as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync/atomic"
	"time"
)

const entries = 200_000

type value [2]int

var m map[string]*value

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func fill(from, to int) {
	for i := from; i < to; i++ {
		m["key-"+strconv.Itoa(i)] = &value{i}
	}
}

// settle lets a classic map finish to grow, which it does a bucket at a time, whenever it is written.
func settle() {
	for i := 0; m != nil && i < entries; i++ {
		delete(m, "absent")
	}
}

func say(facts map[string]interface{}) {
	facts["len"], facts["heap"] = len(m), heap()
	text, _ := json.Marshal(facts)
	fmt.Println(string(text))
}

var steps = map[string]func() map[string]interface{}{
	"make": func() map[string]interface{} {
		m = map[string]*value{}
		return map[string]interface{}{}
	},
	"fill": func() map[string]interface{} {
		fill(0, entries)
		settle()
		return map[string]interface{}{}
	},
	"fill-few": func() map[string]interface{} {
		fill(0, 3000)
		return map[string]interface{}{}
	},
	"delete-few": func() map[string]interface{} {
		for i := 0; i < 2000; i++ {
			delete(m, "key-"+strconv.Itoa(i))
		}
		return map[string]interface{}{}
	},
	"big": big,
	"gap": func() map[string]interface{} {
		gap := time.Duration(atomic.SwapInt64(&longest, 0))
		return map[string]interface{}{"gap_us": gap.Microseconds()}
	},
	"beat": beat,
	"delete-half": func() map[string]interface{} {
		for i := 0; i < entries/2; i++ {
			delete(m, "key-"+strconv.Itoa(i))
		}
		return map[string]interface{}{}
	},
	"fill-half": func() map[string]interface{} {
		fill(0, entries/2)
		return map[string]interface{}{}
	},
	"delete-all": func() map[string]interface{} {
		for k := range m {
			delete(m, k)
		}
		return map[string]interface{}{}
	},
	"drop": func() map[string]interface{} {
		m = nil
		return map[string]interface{}{}
	},
	"range": deleteInRange,
	"comma": func() map[string]interface{} {
		few := map[string]string{"empty": ""}
		empty, isThere := few["empty"]
		absent, isAbsent := few["absent"]
		return map[string]interface{}{"empty": empty, "empty_ok": isThere, "absent": absent, "absent_ok": isAbsent}
	},
	"nil": writeToNil,
}

var (
	many    []map[string]int
	longest int64
	next    int
)

// big makes a million entries and 50,000 small maps, and a goroutine that wants to run every millisecond and says how late it was.
func big() map[string]interface{} {
	m = map[string]*value{}
	fill(0, 1_000_000)
	for i := 0; i < 50_000; i++ {
		many = append(many, map[string]int{"a": i, "b": i})
	}
	go func() {
		for {
			before := time.Now()
			time.Sleep(time.Millisecond)
			if gap := int64(time.Since(before)); gap > atomic.LoadInt64(&longest) {
				atomic.StoreInt64(&longest, gap)
			}
		}
	}()
	return map[string]interface{}{"many": len(many)}
}

const writes = 2000

// beat writes a thousand times a second, one in eleven of these a delete, and says how long a write takes, by the clock around it.
func beat() map[string]interface{} {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	took := make([]int, 0, writes)
	for i := 0; i < writes; i++ {
		<-ticker.C
		key := "beat-" + strconv.Itoa(next)
		before := time.Now()
		if i%11 == 10 {
			delete(m, "beat-"+strconv.Itoa(next-5))
		} else {
			m[key] = nil
			next++
		}
		took = append(took, int(time.Since(before)))
	}
	sort.Ints(took)
	return map[string]interface{}{"p50_ns": took[writes/2], "p99_ns": took[writes*99/100]}
}

// deleteInRange deletes, while it visits half of the keys, every other one that was not visited yet.
func deleteInRange() map[string]interface{} {
	few := map[int]bool{}
	for i := 0; i < 1000; i++ {
		few[i] = true
	}
	seen, gone, ghosts := map[int]bool{}, map[int]bool{}, 0
	for k := range few {
		if gone[k] {
			ghosts++
		}
		seen[k] = true
		if other := (k + 500) % 1000; len(gone) < 400 && !seen[other] {
			delete(few, other)
			gone[other] = true
		}
	}
	return map[string]interface{}{"visited": len(seen), "deleted": len(gone), "visited_after_delete": ghosts, "left": len(few)}
}

func writeToNil() (facts map[string]interface{}) {
	var none map[string]int
	delete(none, "x")
	facts = map[string]interface{}{"nil_len": len(none), "nil_read": none["x"]}
	defer func() { facts["panic"] = fmt.Sprint(recover()) }()
	none["x"] = 1
	return facts
}

// concurrent writes one map from two goroutines until the runtime notices.
func concurrent() {
	shared := map[int]int{}
	for g := 0; g < 2; g++ {
		go func() {
			for i := 0; ; i++ {
				shared[i%1000] = i
			}
		}()
	}
	select {}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "concurrent" {
		runtime.GOMAXPROCS(2)
		concurrent()
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		facts := steps[lines.Text()]()
		if lines.Text() == "gap" {
			fmt.Println(`{"gap_us":` + fmt.Sprint(facts["gap_us"]) + `}`)
			continue
		}
		say(facts)
	}
}
