package main

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestParseInit(t *testing.T) {
	for line, c := range map[string]struct {
		group, subreaper, verbose, help bool
		success                         []int
		rewrite                         map[syscall.Signal]syscall.Signal
		command                         string
		says                            string // of the error
	}{
		"sleep 5":                        {command: "sleep 5"},
		"-- sleep -g":                    {command: "sleep -g"},
		"sleep -g":                       {command: "sleep -g"},
		"-g -s -v sleep":                 {group: true, subreaper: true, verbose: true, command: "sleep"},
		"-gsv -- -x":                     {group: true, subreaper: true, verbose: true, command: "-x"},
		"-e 3 -e143 x":                   {success: []int{3, 143}, command: "x"},
		"-ge 3 x":                        {group: true, success: []int{3}, command: "x"},
		"-r TERM:QUIT -r1:0 -r sigint:9": {rewrite: map[syscall.Signal]syscall.Signal{15: 3, 1: 0, 2: 9}},
		"-h":                             {help: true},
		"--help":                         {help: true},
		"":                               {},
		"--":                             {},
		"- x":                            {command: "- x"},
		"-x":                             {says: "no flag -x"},
		"-e":                             {says: "-e needs a value"},
		"-e 256 x":                       {says: "0 to 255"},
		"-e -1 x":                        {says: "0 to 255"},
		"-r TERM x":                      {says: "two signals"},
		"-r TERM:BOOM x":                 {says: "no signal"},
		"-r 0:1 x":                       {says: "no signal"},
	} {
		t.Run(line, func(t *testing.T) {
			o, err := parseInit(strings.Fields(line))
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one with %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o.Group != c.group || o.Subreaper != c.subreaper || o.verbose != c.verbose || o.help != c.help ||
				!slices.Equal(o.Success, c.success) || strings.Join(o.command, " ") != c.command {
				t.Errorf("got %+v", o)
			}
			for from, to := range c.rewrite {
				if got, ok := o.Rewrite[from]; !ok || got != to {
					t.Errorf("%v becomes %v, want %v", from, got, to)
				}
			}
			if len(o.Rewrite) != len(c.rewrite) {
				t.Errorf("rewrites %v", o.Rewrite)
			}
		})
	}
}

func FuzzParseInit(f *testing.F) {
	f.Add("-g -e 3 -r 1:2 -- sleep 5")
	f.Add("-ve")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		o, err := parseInit(args)
		if err != nil {
			return
		}
		if len(o.command) > len(args) || !slices.Equal(o.command, args[len(args)-len(o.command):]) {
			t.Errorf("%q gave command %q", args, o.command)
		}
	})
}
