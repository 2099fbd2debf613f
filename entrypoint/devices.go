package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/nullcard/nullcard/audio"
)

var devicesCommand = command{
	name:    "devices",
	summary: "list the virtual devices, their levels and who uses them",
	run:     runDevices,
}

func runDevices(ctx context.Context, args []string, std stdio) error {
	var s serverFlag
	f := newFlags("devices", "[FLAG…]", std)
	s.register(f)
	asJSON := f.Bool("json", false, "print JSON")
	prove := f.Bool("prove", false, "feed a chirp to each mic that nobody uses, and tell if it came out")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if err := noArguments(f); err != nil {
		return err
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	list, err := audio.List(ctx, conn)
	if err != nil {
		return err
	}
	if err := audio.Measure(ctx, conn, list); err != nil {
		return err
	}
	var proof error
	if *prove {
		proof = audio.ProveIdle(ctx, conn, list)
	}
	if *asJSON {
		if list == nil {
			list = []audio.Standing{}
		}
		err = json.NewEncoder(std.out).Encode(list)
	} else {
		err = printDevices(std.out, list, *prove)
	}
	return errors.Join(err, proof)
}

func printDevices(w io.Writer, list []audio.Standing, prove bool) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no devices; `nullcard run` or `nullcard setup` makes them")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tEND\tNAME\tFORMAT\tSTATE\tPEAK\tRMS\tUSED BY")
	for _, d := range list {
		for _, e := range []struct {
			name string
			info *audio.EndInfo
		}{{"speaker", d.Speaker}, {"mic feed", d.MicFeed}, {"mic", d.Mic}} {
			if e.info == nil {
				fmt.Fprintf(t, "%s\t%s\t-\t-\tmissing\t\t\t\n", d.Name, e.name)
				continue
			}
			peak, rms := "", ""
			if l := e.info.Level; l != nil {
				peak, rms = decibels(l.Peak), decibels(l.RMS)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d Hz %d ch\t%s\t%s\t%s\t%s\n", d.Name, e.name, e.info.Name,
				d.Rate, d.Channels, endState(*e.info), peak, rms, strings.Join(e.info.Streams, ", "))
		}
		if d.Proof != nil {
			fmt.Fprintf(t, "%s\tproof\t\t\tcarries sound\t%+.1f dB\t\t%.1f ms from feed to source\n", d.Name, d.Proof.Gain, d.Proof.Latency.Seconds()*1000)
		} else if prove {
			fmt.Fprintf(t, "%s\tproof\t\t\tnot proven\t\t\t\n", d.Name)
		}
	}
	return t.Flush()
}

func endState(e audio.EndInfo) string {
	var s []string
	if e.Muted {
		s = append(s, "muted")
	}
	if e.Suspended {
		s = append(s, "suspended")
	}
	if !e.FullLevel {
		s = append(s, "volume not 100 %")
	}
	if s == nil {
		return "ok"
	}
	return strings.Join(s, ", ")
}

// decibels writes a level for people: digital silence has none.
func decibels(db float64) string {
	if db <= -150 {
		return "silent"
	}
	return fmt.Sprintf("%.1f dB", db)
}
