enum Size
{
    Small,
    Large,
}
