package caller

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Quality is what pjsua measured of one call's audio. Its counts have three
// digits at most from 1,000 on, for that is how pjsua prints them.
type Quality struct {
	Call     int           `json:"call"`
	Peer     string        `json:"peer,omitempty"`
	Duration time.Duration `json:"-"`
	Codec    string        `json:"codec"` // "PCMU", "opus"
	Rate     int           `json:"rate"`  // Hz, in whole kHz
	// Direction is sendrecv, sendonly, recvonly or inactive.
	Direction string `json:"direction"`
	Received  Stream `json:"received"`
	Sent      Stream `json:"sent"` // as the far end reports it by RTCP
	// RoundTrip is the mean, in ms; 0 if the far end has sent no RTCP yet.
	RoundTrip float64 `json:"round_trip_ms"`
	// MOS is what a listener at this end would think of it on average, from 1
	// (bad) to 5 (excellent), as estimated by EstimateMOS; 0 if nothing came.
	MOS float64 `json:"mos"`
}

// Stream is one direction of a call.
type Stream struct {
	Packets    int     `json:"packets"`
	Lost       int     `json:"lost"`
	Discarded  int     `json:"discarded"` // came too late to be played
	Duplicated int     `json:"duplicated"`
	Reordered  int     `json:"reordered"`
	Jitter     float64 `json:"jitter_ms"` // mean, as in RFC 3550
	JitterMax  float64 `json:"jitter_max_ms"`
}

// MarshalJSON adds the duration, in seconds.
func (q Quality) MarshalJSON() ([]byte, error) {
	type plain Quality
	return json.Marshal(struct {
		plain
		Seconds float64 `json:"duration_s"`
	}{plain(q), q.Duration.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (q *Quality) UnmarshalJSON(b []byte) error {
	type plain Quality
	v := struct {
		*plain
		Seconds float64 `json:"duration_s"`
	}{plain: (*plain)(q)}
	err := json.Unmarshal(b, &v)
	q.Duration = time.Duration(v.Seconds * float64(time.Second))
	return err
}

// impairment is a codec's in the E-model: Ie for the codec itself and Bpl, its
// robustness to loss.
type impairment struct{ ie, bpl float64 }

// impairments are from ITU-T G.113 (2007), Appendix I. PCMU and PCMA are taken
// with loss concealment, which pjsua has. For GSM no Bpl is published: it gets
// theirs. Other codecs (speex, opus, G.722) have no narrowband values there and
// are taken for as good as PCMU.
var impairments = map[string]impairment{
	"PCMU": {0, 25.1},
	"PCMA": {0, 25.1},
	"G729": {11, 19},
	"GSM":  {20, 25.1},
}

// EstimateMOS estimates a mean opinion score with the E-model of ITU-T G.107
// (2015), with default values but for delay and loss: R = 93.2 − Id − Ie,eff,
// where Ie,eff = Ie + (95 − Ie)·P/(P + Bpl) for a random loss of P percent and,
// after Cole and Rosenbluth (Voice over IP Performance Monitoring, ACM CCR 31,
// 2001), Id = 0.024·d + 0.11·(d − 177.3)·[d > 177.3] for a one-way delay of d
// ms. Delay is half of the round trip, one frame of 20 ms, and twice the jitter
// for the jitter buffer; what the devices add is left out.
func EstimateMOS(codec string, lossPercent, roundTripMS, jitterMS float64) float64 {
	c, ok := impairments[strings.ToUpper(codec)]
	if !ok {
		c = impairments["PCMU"]
	}
	loss := min(max(lossPercent, 0), 100)
	delay := max(roundTripMS, 0)/2 + 20 + 2*max(jitterMS, 0)
	id := 0.024 * delay
	if delay > 177.3 {
		id += 0.11 * (delay - 177.3)
	}
	r := 93.2 - id - (c.ie + (95-c.ie)*loss/(loss+c.bpl))
	switch {
	case r <= 0 || math.IsNaN(r):
		return 1
	case r >= 100:
		return 4.5
	}
	// G.107, Annex B. Below R = 6.5 the polynomial falls under 1.
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}

var (
	callLine   = regexp.MustCompile(`^ +\[[A-Z]+\] (?:To|From): (.*)$`)
	callTime   = regexp.MustCompile(`^ +Call time: (\d+)h:(\d+)m:(\d+)s, `)
	streamLine = regexp.MustCompile(`^ +#\d+ audio (\S+) @(\d+)kHz, (\w+), peer=`)
	totalLine  = regexp.MustCompile(`^ +total ([\d.]+[KM]?)pkt `)
	lossLine   = regexp.MustCompile(`^ +pkt loss=(-?\d+) \([^)]*\),(?: discrd=(-?\d+) \([^)]*\),)? dup=(-?\d+) \([^)]*\), reord(?:er)?=(-?\d+) `)
	jitterLine = regexp.MustCompile(`^ +jitter +: +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+) `)
	tripLine   = regexp.MustCompile(`^ +RTT msec +: +(-?[\d.]+) +(-?[\d.]+) `)
)

// parseQuality reads the block of lines that pjsua writes about a call, for
// `dq` and when the call ends. Of several audio streams it takes the first.
func parseQuality(lines []string) (Quality, bool) {
	var q Quality
	var stream *Stream
	found, streams := false, 0
	for _, l := range lines {
		l = strings.TrimRight(l, "\r")
		if m := callLine.FindStringSubmatch(l); m != nil {
			q, stream, streams, found = Quality{Peer: m[1]}, nil, 0, true
		} else if m := callTime.FindStringSubmatch(l); m != nil {
			q.Duration = time.Duration(number(m[1]))*time.Hour + time.Duration(number(m[2]))*time.Minute + time.Duration(number(m[3]))*time.Second
		} else if m := streamLine.FindStringSubmatch(l); m != nil {
			if streams++; streams == 1 {
				q.Codec, q.Rate, q.Direction = m[1], number(m[2])*1000, m[3]
			}
		}
		if streams != 1 {
			continue
		}
		switch text := strings.TrimLeft(l, " "); {
		case strings.HasPrefix(text, "RX "):
			stream = &q.Received
		case strings.HasPrefix(text, "TX "):
			stream = &q.Sent
		}
		if stream == nil {
			continue
		}
		if m := totalLine.FindStringSubmatch(l); m != nil {
			stream.Packets = int(shortNumber(m[1]))
		} else if m := lossLine.FindStringSubmatch(l); m != nil {
			stream.Lost, stream.Discarded, stream.Duplicated, stream.Reordered = number(m[1]), number(m[2]), number(m[3]), number(m[4])
		} else if m := jitterLine.FindStringSubmatch(l); m != nil {
			stream.Jitter, stream.JitterMax = decimal(m[2]), decimal(m[3])
		} else if m := tripLine.FindStringSubmatch(l); m != nil {
			q.RoundTrip = decimal(m[2])
		}
	}
	if in := q.Received; in.Packets > 0 {
		// What came too late is as good as lost.
		loss := 100 * float64(in.Lost+in.Discarded) / float64(in.Packets+in.Lost)
		q.MOS = math.Round(100*EstimateMOS(q.Codec, loss, q.RoundTrip, in.Jitter)) / 100
	}
	return q, found
}

// shortNumber reads 47, 1.2K and 3.21M.
func shortNumber(s string) float64 {
	scale := 1.0
	switch {
	case strings.HasSuffix(s, "K"):
		s, scale = s[:len(s)-1], 1e3
	case strings.HasSuffix(s, "M"):
		s, scale = s[:len(s)-1], 1e6
	}
	return math.Min(decimal(s)*scale, math.MaxInt32)
}

func decimal(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return f
}
