// Simon's problem with f(x) = f(x xor 110): only y with y.110 = 0 mod 2 are seen.
// D. R. Simon, "On the power of quantum computation" (1994).
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg f[3];
creg c[3];
h q;
barrier q, f;
cx q[0], f[0];
cx q[1], f[1];
cx q[2], f[2];
cx q[1], f[1];
cx q[1], f[2];
barrier q, f;
h q;
measure q -> c;
