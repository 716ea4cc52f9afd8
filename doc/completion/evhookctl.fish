# Completion of evhookctl for fish.  What a word may become, evhookctl itself says.

function __evhookctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] complete -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end

complete -c evhookctl -f -a '(__evhookctl_complete)'
