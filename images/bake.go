package main

// bake is one run of buildx's bake.
type bake struct {
	builder string            // buildx's name of the builder
	targets []string          // of docker-bake.hcl
	hashes  map[string]string // of each target's inputs

	debian string // the Debian image's name, with layout
	layout string // directory that holds it as an OCI layout, "" when the builder has it

	certificates string // file of CA certificates, or ""
	goproxy      string // Go module proxy, or ""
}

// args is the arguments of buildx.
func (b bake) args() []string {
	args := []string{"bake", "--file", "docker-bake.hcl", "--builder", b.builder, "--load", "--progress", "rawjson"}
	if b.layout != "" {
		args = append(args,
			"--allow", "fs.read="+b.layout,
			"--set", "*.contexts."+b.debian+"=oci-layout://"+b.layout+":"+layoutTag)
	}
	if b.certificates != "" {
		args = append(args, "--allow", "fs.read="+b.certificates)
	}
	for _, target := range b.targets {
		args = append(args, "--set", target+".labels."+inputsLabel+"="+b.hashes[target])
	}
	return append(args, b.targets...)
}

// env is the variables of docker-bake.hcl that this machine decides.
func (b bake) env() []string {
	return []string{"CA_BUNDLE=" + b.certificates, "GOPROXY=" + b.goproxy}
}
