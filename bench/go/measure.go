package main

// How it is measured: the method of ../harness/sample.mjs, without h, which Go does not have.

import (
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"
)

var (
	slice  = time.Duration(setting("SLICE", 8) * float64(time.Millisecond))
	slices = int(setting("SLICES", 14))
)

// What a sample may take when its preparations, which are not timed, are what takes long: then three slices must do, and one if even
// they would take far longer.
const patience = 2 * time.Second

// So that the operations can be shared by 2, 10 or 100 goroutines.
const step = 1000

func setting(name string, otherwise float64) float64 {
	text, isSet := os.LookupEnv(name)
	if !isSet {
		return otherwise
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value <= 0 {
		fail(name + " must be a positive number, not " + text)
	}
	return value
}

// A program prepares n operations, beside or among size others. What it returns first is timed, what it returns then tidies up.
type program func(n, size int) (run, after func())

// just is a program without anything to prepare.
func just(run func(n int)) program {
	return func(n, _ int) (func(), func()) {
		return func() { run(n) }, nothing
	}
}

func nothing() {}

// timed measures a program of as many operations as fill a slice.
func timed(p program) func(size int) result { return inSlices(p, 0, step) }

// timedSingly is for operations that fill a slice by themselves.
func timedSingly(p program) func(size int) result { return inSlices(p, 0, 1) }

// timedAt measures a program whose number of operations matters.
func timedAt(n int, p program) func(size int) result { return inSlices(p, n, 0) }

// timedAtSize measures a program whose number of operations is the size.
func timedAtSize(p program) func(size int) result {
	return func(size int) result {
		if size == 0 {
			fail("this row needs a size")
		}
		return inSlices(p, size, 0)(size)
	}
}

func inSlices(p program, fixed, smallest int) func(size int) result {
	return func(size int) result {
		begun := time.Now()
		n, once := fixed, slice
		if fixed == 0 {
			if smallest < size {
				smallest = size
			}
			n = calibrate(p, size, smallest)
		} else {
			once = runOnce(p, n, size)
		}
		// Short programs of a fixed number of operations are repeated.
		times := int(math.Max(1, math.Min(1000, math.Round(float64(slice)/float64(once+1)))))
		var all []float64
		for i := 0; len(all) < slices; i++ {
			// What a program of a fixed size has left behind is not to be collected at the next slice's expense.
			if fixed > 0 || size > 0 {
				runtime.GC()
			}
			var took time.Duration
			for k := 0; k < times; k++ {
				took += runOnce(p, n, size)
			}
			sofar := time.Since(begun)
			if i < 4 && sofar < patience {
				continue
			}
			all = append(all, float64(took.Nanoseconds())/float64(n*times))
			if len(all) >= 3 && (sofar > patience || once > 4*slice) || sofar > 4*patience {
				break
			}
		}
		sort.Float64s(all)
		return result{"ns": all[len(all)/2]}
	}
}

// runOnce is how long one run takes, without its preparations.
func runOnce(p program, n, size int) time.Duration {
	run, after := p(n, size)
	begun := time.Now()
	run()
	took := time.Since(begun)
	after()
	return took
}

// calibrate finds how many operations fill a slice, by doubling.
func calibrate(p program, size, smallest int) int {
	for n := smallest; ; n *= 2 {
		took := runOnce(p, n, size)
		if again := runOnce(p, n, size); again < took {
			took = again
		}
		if took >= slice/2 {
			return int(math.Ceil(float64(n)*float64(slice)/float64(took)/float64(smallest))) * smallest
		}
	}
}

// retained measures the bytes that each of n things holds which keep makes, as long as what it returns is alive.
func retained(n int, keep func(n int) any) func(int) result {
	return func(int) result { return result{"bytes": held(n, keep) / float64(n)} }
}

// retainedInAll does not divide them.
func retainedInAll(n int, keep func(n int) any) func(int) result {
	return func(int) result { return result{"bytes": held(n, keep)} }
}

func held(n int, keep func(n int) any) float64 {
	keep(1000)
	before := inUse()
	kept := keep(n)
	bytes := inUse() - before
	runtime.KeepAlive(kept)
	return bytes
}

// inUse counts the stacks of goroutines, too: where a promise waits in JavaScript, in Go it is a goroutine, and its stack is what that
// costs.
func inUse() float64 {
	for i := 0; i < 4; i++ {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
