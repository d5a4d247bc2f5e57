# SPDX-License-Identifier: Apache-2.0
# Children, pipes, sockets, a lock, a signal, directories. Dies when something does not come out as it should.
use strict;
use warnings;
use Fcntl qw(:flock);
use File::Find;
use File::Temp qw(tempdir);
use IO::Socket::INET;

my $directory = tempdir(CLEANUP => 1);
for my $n (1 .. 20) {
    open my $file, '>', "$directory/$n" or die "open: $!";
    flock $file, LOCK_EX or die "flock: $!";
    print $file "line $_\n" for 1 .. $n;
}
my $files = 0;
find(sub { $files++ if -f }, $directory);
die "files: $files" unless $files == 20;
open my $sorted, '-|', '/usr/bin/sort', '-r', "$directory/20" or die "sort: $!";
my @lines = <$sorted>;
close $sorted or die "sort: $?";
die "lines" unless @lines == 20 && $lines[0] eq "line 9\n";

my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $@";
my $child = fork // die "fork: $!";
if (!$child) {
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport) or die "connect: $@";
    print $client "from $$\n";
    exit 7;
}
my $said = $server->accept->getline;
waitpid $child, 0;
die "child: $? $said" unless $? >> 8 == 7 && $said eq "from $child\n";

my $rung = 0;
local $SIG{ALRM} = sub { $rung = 1 };
alarm 1;
select undef, undef, undef, 5;
die "alarm" unless $rung;
