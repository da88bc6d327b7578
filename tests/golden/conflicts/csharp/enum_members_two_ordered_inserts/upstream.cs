enum Size
{
    Small,
    Large,
    Huge,
}
