package main

import (
	"context"
	"fmt"
	"runtime"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

var versionCommand = command{
	name:    "version",
	summary: "print the version",
	run: func(_ context.Context, args []string, std stdio) error {
		f := newFlags("version", "", std)
		if err := parseFlags(f, args); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "nullcard %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	},
}
