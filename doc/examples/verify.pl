# usage: WEBHOOK_SECRET=... perl verify.pl ID TIMESTAMP SIGNATURE <body
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(decode_base64 encode_base64);

use constant TOLERANCE => 300;    # seconds

# Takes the same time wherever two strings differ.
sub same {
    my ($left, $right) = @_;
    return 0 if length $left != length $right;
    my $differences = 0;
    $differences |= ord(substr $left, $_, 1) ^ ord(substr $right, $_, 1) for 0 .. length($left) - 1;
    return $differences == 0;
}

# Whether a request is from evhookd; $body is its bytes, as they came.
sub verify {
    my ($secret, $id, $timestamp, $signatures, $body) = @_;
    return 0 if $timestamp !~ /\A[0-9]{1,15}\z/;
    return 0 if abs(time - $timestamp) > TOLERANCE;
    my $key = $secret =~ /\Awhsec_(.*)\z/s ? decode_base64($1) : $secret;
    my $wanted = 'v1,' . encode_base64(hmac_sha256("$id.$timestamp.$body", $key), '');
    # While a secret is being changed there are two signatures, with a space between them.
    my $good = 0;
    for my $given (split / /, $signatures) {
        $good = 1 if same($given, $wanted);
    }
    return $good;
}

binmode STDIN;
my $body = do { local $/; <STDIN> } // '';
my $good = verify($ENV{WEBHOOK_SECRET}, @ARGV[0 .. 2], $body);
print $good ? "good\n" : "bad\n";
exit !$good;
