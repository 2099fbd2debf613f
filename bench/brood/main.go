// Command brood is what `bench init` runs in containers:
//
//	brood orphans N     leaves N orphans to PID 1 and tells how long each was a zombie
//	brood supervise N   as PID 1: has the supervisor run N children that end and leave an orphan each
//	brood idle SECONDS  tells what all other processes but the idle ones of the benchmark use
//
// Each writes one line of JSON.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
)

func main() {
	out, err := run(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "brood:", err)
		os.Exit(1)
	}
}

func run(args []string) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("usage: brood orphans|supervise|idle NUMBER")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	switch args[0] {
	case "orphans":
		return orphans(n)
	case "supervise":
		return supervise(n)
	case "idle":
		return idle(n)
	}
	return nil, fmt.Errorf("there is no %q", args[0])
}
