enum Size
{
    Small,
    Large,
    Custom,
}
