// Command stamp prints the clock: `stamp LABEL [CMD ARG…]` writes
//
//	stamp LABEL MONOTONIC_NS UNIX_NS
//
// and becomes CMD. As a container's entrypoint it marks the container's start,
// as its app the app's. CLOCK_MONOTONIC is the same in all containers of a
// host.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	wall := time.Now()
	if err != nil || len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: stamp LABEL [CMD ARG…]", err)
		os.Exit(64)
	}
	fmt.Printf("stamp %s %d %d\n", os.Args[1], now.Nano(), wall.UnixNano())
	if len(os.Args) == 2 {
		return
	}
	path, err := exec.LookPath(os.Args[2])
	if err == nil {
		err = syscall.Exec(path, os.Args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "stamp: cannot become", os.Args[2]+":", err)
	os.Exit(127)
}
