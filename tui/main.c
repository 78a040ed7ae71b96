#include "tui/commands/cmd.h"

int main(int argc, char **argv)
{
    return ui_main(argc, argv);
}
