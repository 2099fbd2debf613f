// Command images builds nullcard's container images: with docker buildx where
// the machine has it, and all the same where it has not, or where no registry
// can be reached. See build.go for the order of events and plan.go for the
// decision.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const usage = `usage: go run ./images COMMAND [FLAG…]

  build    build the images that are missing or out of date
  debian   make the Debian base image anew, from Debian's packages
  clean    remove the images and the test containers

'go run ./images COMMAND -h' lists a command's flags.
`

var commands = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"build":  runBuild,
	"debian": runDebian,
	"clean":  runClean,
}

// errUsage ends the program with exit code 64 (EX_USAGE); the message is out already.
var errUsage = errors.New("wrong usage")

func main() {
	followGoRun()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(64)
	case interrupted:
		fmt.Fprintln(os.Stderr, "images: interrupted; what was finished is kept for the next run")
		os.Exit(130)
	default:
		fmt.Fprintf(os.Stderr, "images: %v\n", err)
		if cure := cureFor(err); cure != "" {
			fmt.Fprintf(os.Stderr, "        %s\n", cure)
		}
		os.Exit(1)
	}
}

// followGoRun has this program end when the `go run` that started it is
// killed: go passes a terminal's Ctrl-C on, and no other signal.
func followGoRun() {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	if err == nil && string(name) == "go\n" {
		// Without it, a build that nobody waits for goes on to its end.
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errUsage
	}
	if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Print(usage)
		return nil
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "images: no command %q\n%s", args[0], usage)
		return errUsage
	}
	root, err := projectRoot()
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	return command(ctx, args[1:], os.Stdout)
}

// parseFlags reads a command's flags; the FlagSet tells the user what is wrong.
func parseFlags(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(os.Stderr)
	err := flags.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return errUsage
	}
	return err
}

// projectRoot is the directory that holds docker-bake.hcl, from the working directory upwards.
func projectRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "docker-bake.hcl")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("cannot find docker-bake.hcl in %s or above it: run this inside the project", start)
		}
	}
}
